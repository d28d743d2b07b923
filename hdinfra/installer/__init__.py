"""Our installer: boots from its image, reads an order, and makes of blank disks the server that the order describes.

Runs on the standard library alone, inside the root file system that it unpacks.
"""
