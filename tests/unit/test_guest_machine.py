"""QEMU's arguments say what a guest is given, and nothing else is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sandboxes.guests.boards import VIRT
from sandboxes.guests.machine import Boot, Machine, Wiring, arguments, firmware_of
from sandboxes.guests.system import linux_words, lone_words

SMALL = Machine("guest-1", 256 << 20, 1, network=False, accelerator="tcg", firmware=Path("/usr/share/qemu/qboot.rom"))
BOOT = Boot("/proc/self/fd/3", "/proc/self/fd/4", "quiet hostname=guest-1")
WIRING = Wiring(5, 6, 7, BOOT)


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
    assert ("-name", "other,debug-threads=on,process=qemu-system-x86_64") in words
    assert ("-accel", "kvm") in words


def test_firmware_is_named_when_it_is_not_qemus_own() -> None:
    assert ("-bios", "/usr/share/qemu/qboot.rom") in pairs(SMALL)
    plain = replace(SMALL, firmware=None)
    assert "-bios" not in arguments(plain, WIRING)
    told = [" ".join(["qemu-system-x86_64", *arguments(one, WIRING)]) for one in (SMALL, plain)]
    assert [firmware_of(command, SMALL.board) for command in told] == ["qboot", "SeaBIOS"]


def test_sockets_are_inherited_by_number() -> None:
    chardevs = [value for key, value in pairs(SMALL) if key == "-chardev"]
    assert chardevs == ["socket,id=console,fd=5", "socket,id=agent,fd=6", "socket,id=monitor,fd=7"]


def test_a_kernel_is_told_its_console_the_guests_name_and_the_agents_port() -> None:
    words = linux_words(replace(SMALL, name="other"))
    assert {"console=ttyS0", "hostname=other", "agent=/dev/ttyS1"} <= set(words)


def test_an_emulated_processor_lacks_what_an_emulator_makes_slow_and_no_other_does() -> None:
    assert ("-cpu", "max,erms=off,fsrm=off") in pairs(SMALL)
    assert ("-cpu", "max") in pairs(replace(SMALL, accelerator="kvm"))
    assert ("-cpu", "qemu64") in pairs(replace(SMALL, cpu_model="qemu64"))


def test_only_an_emulated_kernel_with_one_processor_is_spared_its_timer_and_its_rewriting() -> None:
    assert lone_words(SMALL) == ("noapictimer", "noreplace-smp")
    others = replace(SMALL, cpus=2), replace(SMALL, accelerator="kvm"), replace(SMALL, board=VIRT)
    assert [lone_words(other) for other in others] == [(), (), ()]


def test_a_machine_that_boots_has_a_kernel_and_memory_of_its_own() -> None:
    words = pairs(SMALL)
    assert ("-append", "quiet hostname=guest-1") in words
    assert ("-object", "memory-backend-ram,id=ram,size=262144K") in words


def test_a_machine_that_goes_on_boots_nothing_and_only_reads_the_memory_that_it_shares() -> None:
    words = arguments(SMALL, replace(WIRING, begins="defer", memory="/proc/self/fd/9"))
    assert not {"-kernel", "-initrd", "-append"} & set(words)
    assert words[words.index("-incoming") + 1] == "defer"
    assert "memory-backend-file,id=ram,size=262144K,mem-path=/proc/self/fd/9,share=off" in words


def test_the_stock_machine_has_what_qemu_has_by_default_and_reaches_nobody() -> None:
    words = arguments(replace(SMALL, stock=True), WIRING)
    assert not {"-nodefaults", "-machine", "-bios", "-cpu"} & set(words)
    assert "user,restrict=on" in words


def test_the_store_of_translated_code_is_bounded_as_its_cgroup_expects() -> None:
    assert ("-accel", "tcg,tb-size=256") in pairs(SMALL)
