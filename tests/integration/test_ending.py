"""A process ends with its own exit code, and without the interpreter's end."""

import subprocess
import sys

PROGRAM = """
import _thread, atexit, logging, sys, threading
from shoonya_platform.services.ending import end_process

class Flushed(logging.Handler):
    def emit(self, record):
        pass

    def flush(self):
        print("logging was flushed")

def busy():
    while True:
        pass

def finish():
    threading.main_thread().join()
    print("the ordinary thread finished")

atexit.register(print, "the interpreter's own end went on")
handler = Flushed()
_thread.start_new_thread(busy, ())
threading.Thread(target=finish).start()
print("no line break", end=";")
end_process(int(sys.argv[1]))
"""


def test_ends_with_the_code_once_ordinary_threads_are_finished():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "78"], capture_output=True, text=True
    )

    assert (done.returncode, done.stderr) == (78, "")
    assert done.stdout.split(";") == [
        "no line break",
        "the ordinary thread finished\nlogging was flushed\n",
    ]


def test_closed_output_changes_no_exit_code():
    program = """
import sys
from shoonya_platform.services.ending import end_process

sys.stdout.close()
end_process(3)
"""
    done = subprocess.run([sys.executable, "-c", program], check=False)

    assert done.returncode == 3
