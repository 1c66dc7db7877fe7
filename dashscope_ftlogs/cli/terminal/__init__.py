"""What commands show: data on stdout; charts, progress and status on a screen.

Knows no command. Begin with `stdout`, through which all data goes.
"""
