"""QEMU's arguments say what a guest is given, and nothing else is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sandboxes.guests.machine import Machine, Wiring, arguments

SMALL = Machine("guest-1", 256 << 20, 1, network=False, accelerator="tcg", firmware=Path("/usr/share/qemu/qboot.rom"))
WIRING = Wiring("/proc/self/fd/3", "/proc/self/fd/4", 5, 6, 7)


def pairs(machine: Machine) -> list[tuple[str, str]]:
    words = arguments(machine, WIRING)
    return list(zip(words, [*words[1:], ""], strict=True))


def test_there_is_no_network_card_unless_asked_for() -> None:
    assert ("-nic", "none") in pairs(SMALL)
    assert not [word for word in arguments(SMALL, WIRING) if "netdev" in word or "virtio-net" in word]


def test_a_network_card_reaches_nobody() -> None:
    words = pairs(replace(SMALL, network=True))
    assert ("-netdev", "user,id=net,restrict=on") in words
    assert ("-nic", "none") not in words


def test_qemu_gets_no_default_device_no_configuration_and_its_seccomp_filter() -> None:
    words = arguments(SMALL, WIRING)
    assert {"-nodefaults", "-no-user-config", "-no-reboot"} <= set(words)
    assert ("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny") in pairs(SMALL)


def test_size_name_and_accelerator_are_those_asked_for() -> None:
    words = pairs(replace(SMALL, name="other", memory_bytes=96 << 20, cpus=2, accelerator="kvm"))
    assert ("-m", "98304K") in words
    assert ("-smp", "2") in words
    assert ("-name", "other,debug-threads=on") in words
    assert ("-accel", "kvm") in words
    assert [value for key, value in words if key == "-append" and value.endswith("hostname=other")]


def test_firmware_is_named_when_it_is_not_qemus_own() -> None:
    assert ("-bios", "/usr/share/qemu/qboot.rom") in pairs(SMALL)
    plain = replace(SMALL, firmware=None)
    assert "-bios" not in arguments(plain, WIRING)
    assert (SMALL.firmware_name, plain.firmware_name) == ("qboot", "SeaBIOS")


def test_sockets_are_inherited_by_number() -> None:
    chardevs = [value for key, value in pairs(SMALL) if key == "-chardev"]
    assert chardevs == ["socket,id=console,fd=5", "socket,id=agent,fd=6", "socket,id=monitor,fd=7"]


def test_the_store_of_translated_code_is_bounded_as_its_cgroup_expects() -> None:
    assert ("-accel", "tcg,tb-size=256") in pairs(SMALL)


def test_a_machine_that_goes_on_from_a_state_boots_no_kernel() -> None:
    words = arguments(SMALL, replace(WIRING, state=9))
    assert words[words.index("-incoming") + 1] == "fd:9"
    assert not {"-kernel", "-initrd", "-append"} & set(words)
