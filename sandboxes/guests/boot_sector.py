"""A whole operating system in 512 bytes: no kernel, no driver, no call of the firmware, two devices.

It writes a line on the first serial port, echoes what it hears there, and ends the machine when it hears "q".
The firmware loads a disk's first sector to address 0x7c00 when its last two bytes are 55 aa, and jumps there in real
mode. Source: Intel SDM volume 2 (the instructions); National Semiconductor 16550D (registers of the serial port at
0x3f8: data, and line status at +5); hw/misc/debugexit.c in QEMU (status = 2 * value + 1).
"""

from __future__ import annotations

SECTOR_BYTES = 512
GREETING = "512 bytes, no operating system, one processor in real mode\r\n"
END_PORT, END_VALUE = 0xF4, 3
END_STATUS = 2 * END_VALUE + 1
"""QEMU's exit status after the program has written END_VALUE to END_PORT."""

_CODE = bytes.fromhex(
    # start:
    "fa"  # 00  cli                 no interrupts: there is nobody to handle them
    "fc"  # 01  cld
    "31c0"  # 02  xor ax, ax
    "8ed8"  # 04  mov ds, ax
    "8ed0"  # 06  mov ss, ax
    "bc007c"  # 08  mov sp, 0x7c00
    "be437c"  # 0b  mov si, 0x7c43      the greeting, right behind this code
    # next:
    "ac"  # 0e  lodsb
    "84c0"  # 0f  test al, al
    "7405"  # 11  je listen
    "e81c00"  # 13  call say
    "ebf6"  # 16  jmp next
    # listen:
    "bafd03"  # 18  mov dx, 0x3fd       line status
    "ec"  # 1b  in al, dx
    "a801"  # 1c  test al, 1          has a byte come?
    "74f8"  # 1e  je listen
    "baf803"  # 20  mov dx, 0x3f8
    "ec"  # 23  in al, dx
    "3c71"  # 24  cmp al, 'q'
    "7405"  # 26  je end
    "e80700"  # 28  call say
    "ebeb"  # 2b  jmp listen
    # end:
    "b003"  # 2d  mov al, 3
    "e6f4"  # 2f  out 0xf4, al        QEMU ends here
    "f4"  # 31  hlt
    # say:
    "88c4"  # 32  mov ah, al
    "bafd03"  # 34  mov dx, 0x3fd
    # wait:
    "ec"  # 37  in al, dx
    "a820"  # 38  test al, 0x20       may a byte be sent?
    "74fb"  # 3a  je wait
    "88e0"  # 3c  mov al, ah
    "baf803"  # 3e  mov dx, 0x3f8
    "ee"  # 41  out dx, al
    "c3"  # 42  ret
)


def boot_sector() -> bytes:
    """The first sector of a disk: code, greeting, nothing, and the two bytes that make it bootable."""
    program = _CODE + GREETING.encode() + b"\0"
    return program.ljust(SECTOR_BYTES - 2, b"\0") + b"\x55\xaa"
