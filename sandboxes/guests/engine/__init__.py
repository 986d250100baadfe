"""Guests that are container engines: dockerd in a virtual machine, which needs neither root nor Docker on this one."""
