"""Folders that systems and programs keep for themselves: thumbnails, waste bins, old versions.

name of a folder -> hidden, or one of these -> not looked into, unless it is named itself
"""

# In lower case. Of Synology and QNAP disks, of Windows, Linux and macOS, of packages of JavaScript.
SYSTEM_FOLDERS = frozenset(
    {
        *("@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "@__thumb"),
        *("$recycle.bin", "system volume information", "lost+found", "__macosx"),
        "node_modules",
    }
)


def is_system_folder(name: str) -> bool:
    """Return whether a folder of that name is hidden, or kept by a system for itself."""
    return name.startswith(".") or name.lower() in SYSTEM_FOLDERS
