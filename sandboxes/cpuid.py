"""`cpuid`: a program of about 400 bytes that asks the processor who it is, for places without a compiler or Python.

    cpuid 0 40000000        one line a leaf: its number, then EAX, EBX, ECX and EDX, all in hexadecimal
    cpuid xen 40000000      the same, asked of Xen: it answers the instruction CPUID after five bytes of its own

A processor answers CPUID itself, also where a hypervisor runs that does not catch it: a paravirtual guest of Xen sees
the machine below. So Xen made up a prefix, `ud2; "xen"`, that no processor has. Without Xen the program then dies of
SIGILL. Source: xen/include/public/arch-x86/xen.h, XEN_EMULATE_PREFIX.

It is machine code for x86-64, written out here instruction by instruction, as in syscall.py.
"""

from __future__ import annotations

from sandboxes.syscall import headers

_LISTING = """
4c8d642410        start:    lea r12,[rsp+0x10]
4531ed                      xor r13d,r13d
498b3424                    mov rsi,[r12]
4885f6                      test rsi,rsi
0f8496000000                je done
813e78656e00                cmp [rsi],0x006e6578
7507                        jne next
41ffc5                      inc r13d
4983c408                    add r12,8
498b3424          next:     mov rsi,[r12]
4885f6                      test rsi,rsi
747e                        je done
4983c408                    add r12,8
31c0                        xor eax,eax
0fb60e            digit:    movzx ecx,[rsi]
48ffc6                      inc rsi
84c9                        test cl,cl
7412                        je ask
f6c140                      test cl,0x40
7403                        je low
80c109                      add cl,9
83e10f            low:      and ecx,0xf
c1e004                      shl eax,4
09c8                        or eax,ecx
ebe4                        jmp digit
89c5              ask:      mov ebp,eax
31c9                        xor ecx,ecx
4585ed                      test r13d,r13d
7405                        je plain
0f0b                        ud2
78656e                      "xen"
0fa2              plain:    cpuid
52                          push rdx
51                          push rcx
53                          push rbx
50                          push rax
55                          push rbp
bf00006000                  mov edi,0x600000
41b805000000                mov r8d,5
5b                register: pop rbx
b908000000                  mov ecx,8
c1c304            nibble:   rol ebx,4
89d8                        mov eax,ebx
240f                        and al,0xf
0430                        add al,0x30
3c3a                        cmp al,0x3a
7202                        jb put
0427                        add al,0x27
aa                put:      stosb
e2ee                        loop nibble
b020                        mov al,0x20
aa                          stosb
41ffc8                      dec r8d
75e0                        jne register
c647ff0a                    mov [rdi-1],0xa
b801000000                  mov eax,1
89c7                        mov edi,eax
be00006000                  mov esi,0x600000
ba2d000000                  mov edx,45
0f05                        syscall
e979ffffff                  jmp next
31ff              done:     xor edi,edi
b83c000000                  mov eax,0x3c
0f05                        syscall
"""


def cpuid_program() -> bytes:
    """The program as a file, the same bytes at every call. It runs on x86-64 Linux only."""
    code = bytes.fromhex("".join(line.split(None, 1)[0] for line in _LISTING.strip().splitlines()))
    return headers(len(code)) + code
