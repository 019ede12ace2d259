"""The same command as `kerasseg check`."""

from kerasseg import check, cli

cli.run(check.main)
