/* Linux for x86-64 without a C library: the calls that the agent makes, by number, and what they take.
   Source: arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/; calling convention: syscall(2). */

typedef unsigned char byte;
typedef unsigned int u32;

enum {
    READ = 0, WRITE = 1, OPEN = 2, CLOSE = 3, POLL = 7, MMAP = 9, SIGPROCMASK = 14, IOCTL = 16, MREMAP = 25, DUP2 = 33, FORK = 57, KILL = 62,
    EXECVE = 59, EXIT = 60, WAIT4 = 61, FCNTL = 72, CHDIR = 80, SETGROUPS = 116, SETGID = 106,
    SETUID = 105, SETSID = 112, GETSID = 124, SETHOSTNAME = 170, GETDENTS64 = 217, CLOCK_SETTIME = 227,
    SIGNALFD4 = 289, DUP3 = 292, PIPE2 = 293, CLOSE_RANGE = 436
};

enum { ENOENT = 2, EINTR = 4, E2BIG = 7, ENOEXEC = 8, EAGAIN = 11, ENOMEM = 12, EACCES = 13, ENOTDIR = 20 };
enum { O_RDONLY = 0, O_WRONLY = 1, O_RDWR = 2, O_CREAT = 0100, O_NOCTTY = 0400, O_NONBLOCK = 04000,
       O_DIRECTORY = 0200000, O_CLOEXEC = 02000000 };
enum { F_SETFL = 4, WNOHANG = 1, SIG_BLOCK = 0, SIG_SETMASK = 2, SIGKILL = 9, SIGPIPE = 13, SIGCHLD = 17 };
enum { PROT_READ_WRITE = 3, MAP_SHARED_ANONYMOUS = 0x21, MREMAP_THERE = 3, PAGE = 4096 };
enum { POLLIN = 1, POLLOUT = 4 };
enum { TCGETS = 0x5401, TCSETS = 0x5402, TCFLSH = 0x540b, FIONREAD = 0x541b };
enum { RNDADDENTROPY = 0x40085203, RNDRESEEDCRNG = 0x5207 };

struct pollfd { int fd; short events, revents; };
struct termios { u32 iflag, oflag, cflag, lflag; byte line, cc[19]; };
struct entry { long inode, offset; unsigned short length; byte type; char name[1]; };
struct timespec { long seconds, nanoseconds; };

/* The result, or an error number below zero. Those who need no further arguments leave them out with call3(). */
long call(long number, long a, long b, long c, long d);
#define call3(number, a, b, c) call(number, (long)(a), (long)(b), (long)(c), 0)

long call6(long number, long a, long b, long c, long d, long e, long f);
extern char data_start[], _edata[], _end[];

__asm__(
    ".globl call\n"
    "call:\n\tmov %rdi, %rax\n\tmov %rsi, %rdi\n\tmov %rdx, %rsi\n\tmov %rcx, %rdx\n\tmov %r8, %r10\n"
    "\tsyscall\n\tret\n"
    ".globl call6\n"
    "call6:\n\tmov %rdi, %rax\n\tmov %rsi, %rdi\n\tmov %rdx, %rsi\n\tmov %rcx, %rdx\n\tmov %r8, %r10\n"
    "\tmov %r9, %r8\n\tmov 8(%rsp), %r9\n\tsyscall\n\tret\n"
    ".globl _start\n"
    "_start:\n\tand $-16, %rsp\n\tcall serve\n\thlt\n"
    ".data\n"
    ".globl data_start\n"
    "data_start:\n"
    ".text\n");

void *memset(void *to, int value, unsigned long size)
{
    byte *at = to;
    while (size--)
        *at++ = value;
    return to;
}

void *memmove(void *to, const void *from, unsigned long size)
{
    byte *target = to;
    const byte *source = from;
    if (target < source)
        while (size--)
            *target++ = *source++;
    else
        while (size--)
            target[size] = source[size];
    return to;
}

void *memcpy(void *to, const void *from, unsigned long size)
{
    return memmove(to, from, size);
}

static unsigned long length_of(const char *text)
{
    unsigned long length = 0;
    while (text[length])
        length++;
    return length;
}

static int same(const char *one, const char *other, unsigned long size)
{
    while (size && *one == *other)
        one++, other++, size--;
    return !size;
}

/* What is static is one memory with all that this process forks from now on, so that neither has to copy the other's pages.
   Nothing static but what is initialised has been written yet. mmap(2), mremap(2); below zero: an error number. */
static long share_statics(void)
{
    unsigned long from = (unsigned long)data_start & -PAGE, size = ((unsigned long)_end - from + PAGE - 1) & -PAGE;
    long shared = call6(MMAP, 0, size, PROT_READ_WRITE, MAP_SHARED_ANONYMOUS, -1, 0);
    if (shared < 0)
        return shared;
    memcpy((char *)shared, (char *)from, (unsigned long)_edata + PAGE - from); /* tcc's .got comes after .data */
    return call6(MREMAP, shared, size, size, MREMAP_THERE, from, 0);
}
