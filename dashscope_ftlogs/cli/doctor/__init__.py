"""What `ftlogs doctor` looks at: from the settings to what the service does with one job's log.

`findings` is what is told of each; `verdicts` and `documented_facts` judge answers as they came, and
read them anew, so that no mistake of the client's can hide. `examination` asks, and waits.

May import: `errors`, `models`, `text`, and of `cli` what is below the commands. Begin with
`examination`.
"""
