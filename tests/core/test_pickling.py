"""Functions and classes are packed for another process, and cloudpickle's own settings stay as they were."""

import sys
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType

import cloudpickle
import pytest
from support import in_new_process

from preftemplates.core.pickling import pack_definition


class Nested:
    """An object that packs another function of its module when it is pickled."""

    def __init__(self, item):
        self.item = item

    def __reduce__(self):
        return pack_definition(self.item).unpack, ()


@pytest.fixture
def module():
    module = sys.modules["users_module"] = ModuleType("users_module")
    exec(
        "def f(a):\n    return 1\ndef g(a, *, nested=None):\n    return h(a)\ndef h(a):\n    return 2\n",
        module.__dict__,
    )
    yield module
    del sys.modules["users_module"]


@pytest.mark.parametrize("is_registered", [False, True])
def test_packing_leaves_the_users_registration_as_it_was(module, is_registered):
    if is_registered:
        cloudpickle.register_pickle_by_value(module)
    before = cloudpickle.list_registry_pickle_by_value()
    try:
        pack_definition(module.f)
        assert cloudpickle.list_registry_pickle_by_value() == before
    finally:
        if is_registered:
            cloudpickle.unregister_pickle_by_value(module)


def check_without_module(packed, result):
    """Another process has no such module."""
    assert in_new_process("answer = payload.unpack()(1)", packed) == result


def test_a_definition_that_packs_another_of_its_module_is_still_packed_by_value(module):
    module.g.__kwdefaults__ = {"nested": Nested(module.f)}  # which is pickled before the function h
    check_without_module(pack_definition(module.g), 2)


def test_threads_that_pack_at_once_do_not_disturb_each_other(module):
    with ThreadPoolExecutor(8) as pool:
        packed = list(pool.map(pack_definition, [module.f, module.g] * 50))
    assert len({pack.value for pack in packed}) == 2
    check_without_module(packed[-1], 2)
