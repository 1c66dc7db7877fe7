"""What the commands share on a screen."""
