"""The one exception that means: the person at the keyboard can mend this."""


class InputError(ValueError):
    """Bad usage or bad input.

    Its message is one line that says what came, what is accepted and what to do. The command line
    prints that line and exits with code 2 (`kerasseg.cli`).
    """
