"""Runs a program with the inspector, or shows a running one."""

import os
import runpy
import shutil
import subprocess
import sys
import tempfile

import gi

gi.require_version("Gtk", "4.0")
from gi.repository import GLib, Gtk

from . import Remote, __doc__ as usage, install, show


def run_here(program, *arguments):
    """Runs a program in Python, whose main loop runs the window too."""
    if Gtk.init_check():
        try:
            install()
        except RuntimeError as error:
            print(f"qio_inspector: {error}", file=sys.stderr)
        show()
    else:
        print("qio_inspector: there is no display", file=sys.stderr)
    os.environ["QIO_INSPECTOR"] = "1"
    sys.argv = [program, *arguments]
    sys.path[0] = os.path.dirname(os.path.abspath(program))
    runpy.run_path(program, run_name="__main__")


def watch(source):
    """Shows another process until the window is closed."""
    Gtk.init()
    loop = GLib.MainLoop()
    window = show(source)
    window.connect("close-request", lambda window: loop.quit())
    loop.run()


def run_elsewhere(*command):
    """Starts another program, and shows it."""
    folder = tempfile.mkdtemp(prefix="qio-inspector-")
    path = os.path.join(folder, "monitor")
    child = subprocess.Popen(command, env=os.environ | {"QIO_MONITOR": f"listen={path}"})
    loop = GLib.MainLoop()

    def is_there():
        if os.path.exists(path) or child.poll() is not None:
            loop.quit()
            return GLib.SOURCE_REMOVE
        return GLib.SOURCE_CONTINUE

    try:
        GLib.timeout_add(20, is_there)
        loop.run()
        if child.poll() is not None:
            sys.exit("qio_inspector: the program has ended before it used a channel")
        watch(Remote(path, os.path.basename(command[0])))
    finally:
        child.terminate()
        child.wait()
        shutil.rmtree(folder)


def main(arguments):
    match arguments:
        case ["--", program, *rest]:
            run_here(program, *rest)
        case ["--exec", program, *rest]:
            run_elsewhere(program, *rest)
        case [pid] if pid.isdecimal():
            watch(Remote(os.path.join(GLib.get_user_runtime_dir(), "qio-monitor", pid), f"process {pid}"))
        case [path] if not path.startswith("-"):
            watch(Remote(path, path))
        case _:
            sys.exit(usage)


main(sys.argv[1:])
