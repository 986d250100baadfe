"""Containers that run in a guest, under the guest's own kernel: cgroups of version 2, whatever this machine has."""
