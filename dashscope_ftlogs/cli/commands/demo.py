"""`ftlogs demo`: what this tool does, shown on a Model Studio of its own."""


def demo() -> None:
    """Show in a few seconds what this tool does. Needs no key and no network."""
    from dashscope_ftlogs.cli.commands.demo_scenes import show  # noqa: PLC0415  (a web server takes long to import)

    show()
