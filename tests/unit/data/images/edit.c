#include <sys/syscall.h>
#include <fcntl.h>
static long call(long n,long a,long b,long c){long r;__asm__ volatile("syscall":"=a"(r):"a"(n),"D"(a),"S"(b),"d"(c):"rcx","r11","memory");return r;}
/* edit delete: remove /data/a; edit replace: remove the folder /data/sub and make it again with another file. */
void start(long*sp){
  char**argv=(char**)(sp+1); long f; int bad=0;
  if(argv[1][0]=='d') bad|=call(SYS_unlink,(long)"/data/a",0,0)!=0;
  else { bad|=call(SYS_unlink,(long)"/data/sub/c",0,0)!=0; bad|=call(SYS_rmdir,(long)"/data/sub",0,0)!=0;
    bad|=call(SYS_mkdir,(long)"/data/sub",0755,0)!=0; f=call(SYS_open,(long)"/data/sub/new",O_CREAT|O_WRONLY,0600); bad|=f<0; call(SYS_write,f,(long)"new\n",4);}
  call(SYS_exit,bad,0,0);}
__asm__(".globl _start\n_start: mov %rsp,%rdi\n call start\n");
