"""`syscall`: a program of about 2 kB that makes system calls by name, for places without a compiler or Python.

    syscall sethostname @ 65                     prints EPERM, and ends with status 1
    syscall socket 2 1 0 , bind = :0200…00 16    one call after the other in one process, until one fails

A word that begins with a digit or - is a number; = is what the call before returned; @ is the address of 4096 zero
bytes; :0aff… is the address of these bytes; any other word is the address of its text. It prints what the last call
returned, or the name of the first error (errno(3)). A name that it does not know ends it with status 127 and no word;
a call that waits longer than 5 s is ended by alarm(2).

It is machine code for x86-64, written out here instruction by instruction, in a static ELF file (elf(5)) that asks for
no loader. Source of the calling convention: syscall(2); of the numbers: arch/x86/entry/syscalls/syscall_64.tbl.
"""

from __future__ import annotations

import errno
import struct

_LISTING = """
4c8d642410        start:    lea r12,[rsp+0x10]
bf05000000                  mov edi,0x5
b825000000                  mov eax,0x25
0f05                        syscall
4d8b3424          next:     mov r14,[r12]
4d85f6                      test r14,r14
743e                        je unknown
4983c408                    add r12,0x8
41bdNAMES                   mov r13d,names
410fb74500        entry:    movzx eax,[r13]
4983c502                    add r13,0x2
41807d0000                  cmp [r13],0x0
7424                        je unknown
4c89f6                      mov rsi,r14
418a4d00          letter:   mov cl,[r13]
49ffc5                      inc r13
3a0e                        cmp cl,[rsi]
7509                        jne other
48ffc6                      inc rsi
84c9                        test cl,cl
75ee                        jne letter
eb17                        jmp found
84c9              other:    test cl,cl
74d5                        je entry
418a4d00                    mov cl,[r13]
49ffc5                      inc r13
ebf3                        jmp other
bf7f000000        unknown:  mov edi,0x7f
e9cc000000                  jmp exit
4189c7            found:    mov r15d,eax
bd00006000                  mov ebp,0x600000
89ef                        mov edi,ebp
31c0                        xor eax,eax
b906000000                  mov ecx,0x6
f348ab                      rep stos [rdi],rax
498b3424          argument: mov rsi,[r12]
4885f6                      test rsi,rsi
7419                        je go
4983c408                    add r12,0x8
66833e2c                    cmp [rsi],0x2c
740f                        je go
e8a7000000                  call value
48894500                    mov [rbp],rax
4883c508                    add rbp,0x8
ebde                        jmp argument
bd00006000        go:       mov ebp,0x600000
488b7d00                    mov rdi,[rbp]
488b7508                    mov rsi,[rbp+0x8]
488b5510                    mov rdx,[rbp+0x10]
4c8b5518                    mov r10,[rbp+0x18]
4c8b4520                    mov r8,[rbp+0x20]
4c8b4d28                    mov r9,[rbp+0x28]
4489f8                      mov eax,r15d
0f05                        syscall
483d01f0ffff                cmp rax,0xfffffffffffff001
7339                        jae failed
4889c3                      mov rbx,rax
49833c2400                  cmp [r12],0x0
0f8541ffffff                jne next
be40006000                  mov esi,0x600040
c6060a                      mov [rsi],0xa
b90a000000                  mov ecx,0xa
31d2              digit:    xor edx,edx
48f7f1                      div rcx
80c230                      add dl,0x30
48ffce                      dec rsi
8816                        mov [rsi],dl
4885c0                      test rax,rax
75ee                        jne digit
ba41006000                  mov edx,0x600041
29f2                        sub edx,esi
4531ff                      xor r15d,r15d
eb27                        jmp print
f7d8              failed:   neg eax
beERRORS                    mov esi,errors
ffc8              skip:     dec eax
740b                        je named
48ffc6            line:     inc rsi
807eff0a                    cmp [rsi-0x1],0xa
75f7                        jne line
ebf1                        jmp skip
31d2              named:    xor edx,edx
ffc2              length:   inc edx
807c16ff0a                  cmp [rsi+rdx*1-0x1],0xa
75f7                        jne length
41bf01000000                mov r15d,0x1
b801000000        print:    mov eax,0x1
89c7                        mov edi,eax
0f05                        syscall
4489ff                      mov edi,r15d
b83c000000        exit:     mov eax,0x3c
0f05                        syscall
0fb60e            value:    movzx ecx,[rsi]
4889f0                      mov rax,rsi
80f940                      cmp cl,0x40
743b                        je zero
80f93a                      cmp cl,0x3a
7440                        je bytes
80f93d                      cmp cl,0x3d
7437                        je result
80f92d                      cmp cl,0x2d
7420                        je minus
80f930                      cmp cl,0x30
7264                        jb done
80f939                      cmp cl,0x39
775f                        ja done
31c0              number:   xor eax,eax
0fb60e            place:    movzx ecx,[rsi]
83e930                      sub ecx,0x30
7855                        js done
486bc00a                    imul rax,rax,0xa
4801c8                      add rax,rcx
48ffc6                      inc rsi
ebec                        jmp place
48ffc6            minus:    inc rsi
e8e2ffffff                  call number
48f7d8                      neg rax
c3                          ret
b800106000        zero:     mov eax,0x601000
c3                          ret
4889d8            result:   mov rax,rbx
c3                          ret
4889f7            bytes:    mov rdi,rsi
48ffc6                      inc rsi
803e00            pair:     cmp [rsi],0x0
7428                        je done
e813000000                  call nibble
88ca                        mov dl,cl
e80c000000                  call nibble
c0e204                      shl dl,0x4
08ca                        or dl,cl
8817                        mov [rdi],dl
48ffc7                      inc rdi
ebe3                        jmp pair
8a0e              nibble:   mov cl,[rsi]
48ffc6                      inc rsi
f6c140                      test cl,0x40
7403                        je low
80c109                      add cl,0x9
80e10f            low:      and cl,0xf
c3                done:     ret
"""

NUMBERS = {
    "access": 21,
    "acct": 163,
    "bind": 49,
    "bpf": 321,
    "chown": 92,
    "chroot": 161,
    "connect": 42,
    "fanotify_init": 300,
    "finit_module": 313,
    "getpid": 39,
    "getuid": 102,
    "io_uring_setup": 425,
    "ioctl": 16,
    "iopl": 172,
    "keyctl": 250,
    "kexec_load": 246,
    "kill": 62,
    "mknod": 133,
    "mount": 165,
    "mount_setattr": 442,
    "open": 2,
    "open_by_handle_at": 304,
    "perf_event_open": 298,
    "personality": 135,
    "pivot_root": 155,
    "prctl": 157,
    "prlimit64": 302,
    "ptrace": 101,
    "reboot": 169,
    "sethostname": 170,
    "setns": 308,
    "setpriority": 141,
    "settimeofday": 164,
    "setuid": 105,
    "socket": 41,
    "swapon": 167,
    "syslog": 103,
    "umount2": 166,
    "unlink": 87,
    "unshare": 272,
    "userfaultfd": 323,
    "write": 1,
}
"""The calls that it knows, and their numbers on x86-64."""

_BASE, _DATA = 0x400000, 0x600000
_HEADERS = 64 + 3 * 56
START = _BASE + _HEADERS
"""The address of the first instruction."""

_PT_LOAD, _PT_GNU_STACK, _READ, _WRITE, _EXECUTE = 1, 0x6474E551, 4, 2, 1
_LAST_ERROR = 133
"""EHWPOISON (include/uapi/asm-generic/errno.h)."""


def syscall_program() -> bytes:
    """The program as a file, the same bytes at every call. It runs on x86-64 Linux only."""
    names = b"".join(struct.pack("<H", number) + name.encode() + b"\0" for name, number in NUMBERS.items()) + bytes(3)
    errors = "".join(errno.errorcode.get(number, f"E{number}") + "\n" for number in range(1, _LAST_ERROR + 1)).encode()
    names_at = START + len(_code(0, 0))
    body = _code(names_at, names_at + len(names)) + names + errors
    return headers(len(body)) + body


def _code(names_at: int, errors_at: int) -> bytes:
    """The first column of the listing, with the addresses of the two tables filled in."""
    column = "".join(line.split(None, 1)[0] for line in _LISTING.strip().splitlines())
    addresses = (struct.pack("<I", address).hex() for address in (names_at, errors_at))
    return bytes.fromhex(column.replace("NAMES", next(addresses)).replace("ERRORS", next(addresses)))


def headers(length: int) -> bytes:
    """What goes before a program of `length` bytes to make it a file that runs, from its first instruction on.

    ELF header and three segments: the program, which cannot be written; two pages of zeros; a stack without code.
    """
    ident = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    head = ident + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, START, 64, 0, 0, 64, 56, 3, 0, 0, 0)
    size = _HEADERS + length
    return head + b"".join(
        struct.pack("<IIQQQQQQ", kind, flags, 0, address, address, in_file, in_memory, 4096)
        for kind, flags, address, in_file, in_memory in (
            (_PT_LOAD, _READ | _EXECUTE, _BASE, size, size),
            (_PT_LOAD, _READ | _WRITE, _DATA, 0, 2 * 4096),
            (_PT_GNU_STACK, _READ | _WRITE, 0, 0, 0),
        )
    )
