"""The provider package `hdpolicy`: a stack's keys, the authorities of its API machines, and policies rolled out."""
