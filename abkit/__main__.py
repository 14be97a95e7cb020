"""`python -m abkit`."""

from abkit.commands.app import main

main()
