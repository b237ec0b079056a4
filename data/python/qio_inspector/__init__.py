"""The inspector: shows the channels of a process in a window, with live plots and warnings.

    python3 -m qio_inspector -- PROGRAM.py [ARGUMENT...]    a program in Python, in its own process
    python3 -m qio_inspector --exec PROGRAM [ARGUMENT...]   any other program that uses Qio
    python3 -m qio_inspector PID                            one that was started with QIO_MONITOR=listen

A program that uses GTK 4 calls install(), which adds the page "Channels" to GTK Inspector, or show(), which opens
the window. Both observe the process from then on; the environment variable QIO_INSPECTOR=1 is for programs to check.
"""

from .sources import Local, Remote
from .view import Page, Window, install

__all__ = ["Local", "Page", "Remote", "Window", "install", "show"]


def show(source=None):
    """Opens the window, for this process by default, and returns it."""
    window = Window(source or Local())
    window.present()
    return window
