"""`python -m dashscope_ftlogs`: the command, where its script is not on the PATH."""

from dashscope_ftlogs.cli import main

main()
