import os
import subprocess
import sys

STEADY = "from kerasseg import terminal; terminal.steady(); "


def test_what_a_terminal_cannot_show_is_escaped():
    for encoding, expected in (("ascii", "Stra\\xdfe \\u8eca\n"), ("cp1252", "Stra\u00dfe \\u8eca\n")):
        program = STEADY + r"print('Stra\u00dfe \u8eca')"
        result = subprocess.run(
            [sys.executable, "-c", program], env=os.environ | {"PYTHONIOENCODING": encoding}, capture_output=True, check=True
        )
        assert result.stdout.decode(encoding) == expected


def test_a_reader_that_leaves_ends_nothing():
    """As `| head -1` does: everything is said and done all the same, and the exit code is the program's own."""
    program = STEADY + (
        "import os, sys\n"
        "for i in range(20000): print('line', i, flush=True)\n"
        "os.write(1, b'past Python')\n"
        "print('done', file=sys.stderr); sys.exit(3)"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "line 0\n"
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == "done\n"
    assert process.wait() == 3


def test_a_log_without_room_is_said_and_ends_nothing():
    program = STEADY + "import sys; print('line', flush=True); print('more', flush=True); sys.exit(3)"
    with open("/dev/full", "w") as full:
        both = [
            subprocess.run([sys.executable, "-c", program], stdout=full, stderr=stderr, text=True, check=False)
            for stderr in (subprocess.PIPE, full)
        ]
    assert [one.returncode for one in both] == [3, 3]
    assert both[0].stderr == "warning: standard output ends here (No space left on device); the command goes on\n"


def test_help_ends_quietly_where_nobody_reads():
    process = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m kerasseg train --help | true; {sys.executable} -m kerasseg --help | true"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert process.stderr == ""
