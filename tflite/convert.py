"""The same command as `kerasseg convert`."""

from kerasseg import cli, convert

cli.run(convert.main)
