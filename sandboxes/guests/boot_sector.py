"""A whole operating system in 512 bytes: no kernel, no driver, no call of the firmware, two devices.

It writes a line on the first serial port, echoes what it hears there, and ends the machine when it hears "q".

It is machine code for an x86 processor in real mode, written out here instruction by instruction. The firmware loads a
disk's first sector to address 0x7c00 when its last two bytes are 55 aa, and jumps there.
Source of the serial port's registers, data at 0x3f8 and line status at 0x3fd: the data sheet of the 16550D; of port
0xf4: hw/misc/debugexit.c in QEMU, which ends with status 2 * value + 1.
"""

from __future__ import annotations

_LISTING = """
fa              start:    cli
fc                        cld
31c0                      xor ax,ax
8ed8                      mov ds,ax
8ed0                      mov ss,ax
bc007c                    mov sp,0x7c00
beTEXT                    mov si,greeting
ac              next:     lodsb
84c0                      test al,al
7405                      je listen
e81c00                    call say
ebf6                      jmp next
bafd03          listen:   mov dx,0x3fd
ec                        in al,dx
a801                      test al,0x1
74f8                      je listen
baf803                    mov dx,0x3f8
ec                        in al,dx
3c71                      cmp al,'q'
7405                      je end
e80700                    call say
ebeb                      jmp listen
b003            end:      mov al,0x3
e6f4                      out 0xf4,al
f4                        hlt
88c4            say:      mov ah,al
bafd03                    mov dx,0x3fd
ec              wait:     in al,dx
a820                      test al,0x20
74fb                      je wait
88e0                      mov al,ah
baf803                    mov dx,0x3f8
ee                        out dx,al
c3                        ret
"""

SECTOR_BYTES = 512
GREETING = "512 bytes, no operating system, one processor in real mode\r\n"
END_PORT = 0xF4
END_STATUS = 2 * 3 + 1
"""QEMU's exit status once the program has written 3 to END_PORT."""

_LOADED_AT = 0x7C00


def boot_sector() -> bytes:
    """The first sector of a disk: code, greeting, nothing, and the two bytes that make it bootable."""
    code = _code(_LOADED_AT + len(_code(0)))
    program = code + GREETING.encode() + b"\0"
    return program.ljust(SECTOR_BYTES - 2, b"\0") + b"\x55\xaa"


def _code(greeting_at: int) -> bytes:
    """The first column of the listing, with the greeting's address filled in."""
    column = "".join(line.split(None, 1)[0] for line in _LISTING.strip().splitlines())
    return bytes.fromhex(column.replace("TEXT", greeting_at.to_bytes(2, "little").hex()))
