"""What has to be there before a page can run: system packages, browser libraries, the guest's kernel."""

from book.setup.everything import prepare

__all__ = ["prepare"]
