"""How GRUB is installed on a server of one's own, by the installer and by `hdraid`."""

_MODULES = (
    *("all_video", "bli", "boot", "configfile", "diskfilter", "echo", "efifwsetup", "ext2", "fat", "font", "gettext"),
    *("gfxterm", "gzio", "halt", "keystatus", "linux", "loadenv", "ls", "lzopio", "mdraid1x", "minicmd", "normal"),
    *("part_gpt", "reboot", "search", "search_fs_uuid", "serial", "sleep", "test", "true", "xzio"),
)
GRUB_INSTALL = ("grub-install", "--target=x86_64-efi", "--no-nvram", f"--modules={' '.join(_MODULES)}")
"""With every module inside that its menu asks for: grub-install empties /boot/grub/x86_64-efi and fills it again, and
where power fails just then, each disk's loader has to do without. Nothing is written to the firmware's own memory."""
