"""Run the command line as `python -m corpo COMMAND`."""

from corpo.cli.main import main

main()
