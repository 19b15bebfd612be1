package postgres

import "syscall"

// dieWithParent makes the kernel send a fast shutdown to the server when the
// thread that started it ends, which for a locked thread is when this process
// does, kill -9 included.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGINT }
