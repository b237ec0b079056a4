"""Compares the stubs, whose path is the argument, with the library as a program has it: each name is in both."""

import ast
import sys

import gi

gi.require_version("Qio", "1.0")
from gi.repository import GObject, Qio

with open(sys.argv[1]) as file:
    tree = ast.parse(file.read())


def names(body):
    found = {node.name: node for node in body if hasattr(node, "name")}
    for node in body:
        if isinstance(node, ast.Assign):
            found[node.targets[0].id] = node
        elif isinstance(node, ast.AnnAssign):
            found[node.target.id] = node
    return found


stubs = names(tree.body)
# Those of C alone, and types that only have a name here.
hidden = {name for name in dir(Qio) if name.startswith("_") or name.endswith("Class")}

def is_a_name_alone(node):
    names = [each.id for each in getattr(node, "decorator_list", []) if isinstance(each, ast.Name)]
    return isinstance(node, ast.Assign | ast.AnnAssign) or "type_check_only" in names


invented = [name for name, node in stubs.items() if not hasattr(Qio, name) and not is_a_name_alone(node)]
assert not invented, invented
missing = [name for name in dir(Qio) if name not in hidden | set(stubs)]
assert not missing, missing
count = 0
for name in set(dir(Qio)) - hidden:
    cls = getattr(Qio, name)
    if not isinstance(cls, type):
        continue
    declared = names(stubs[name].body)
    if issubclass(cls, (GObject.Object, GObject.GBoxed)):
        # With what the override adds to the class.
        expected = {method.__name__ for method in cls.__info__.get_methods()}
        expected |= {own for own, value in vars(cls).items() if callable(value) and own[0] != "_" and own[:3] != "do_"}
        if issubclass(cls, GObject.Object):
            expected |= {f"do_{slot.__name__}" for slot in cls.__info__.get_vfuncs()}
            own = {each.name.replace("-", "_") for each in cls.list_properties() if each.owner_type == cls.__gtype__}
            props = names(declared["Props"].body) if "Props" in declared else {}
            assert own <= set(props), (name, own - set(props))
        # Those of a boxed type that PyGObject calls itself.
        expected -= {"ref", "unref", "copy", "free", "set_callback"} - set(declared)
        absent = expected - set(declared)
        assert not absent, (name, absent)
        count += len(expected)
    else:
        members = {own for own in vars(cls) if own.isupper()}
        assert members <= set(declared), (name, members - set(declared))
        count += len(members)
assert count > 200, count
print("stubs: ok")
