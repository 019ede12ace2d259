"""The same command as `kerasseg micro`."""

from kerasseg import cli, micro

cli.run(micro.main)
