"""One HTML file about many jobs, which needs no network and lets no log run script."""
