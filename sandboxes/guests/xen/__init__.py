"""Xen: a hypervisor that runs on the machine itself, with a Linux that steers it and domains beside that one."""
