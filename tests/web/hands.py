"""A person in front of a page, with a mouse or with a keyboard alone: the same steps, taken in both ways."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

#: How often somebody presses Tab before they give up.
MOST_TABS = 150


def focus(page: "Page", wanted: "Locator") -> None:
    """Press Tab until an element has the focus."""
    for _ in range(MOST_TABS):
        if wanted.evaluate("(element) => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"Tab never reaches {wanted}")


class Hands:
    """Opens pages at one address and acts on them.

    Args:
        page: The page of the browser.
        address: Where the workspace is served.
        keyboard: Whether only the keyboard is used.
    """

    def __init__(self, page: "Page", address: str, *, keyboard: bool) -> None:
        self.page = page
        self.address = address
        self.keyboard = keyboard

    def open(self, path: str) -> None:
        self.page.goto(self.address + path)

    def link(self, name: str) -> "Locator":
        return self.page.get_by_role("link", name=name).first

    def button(self, name: str) -> "Locator":
        return self.page.get_by_role("button", name=name).first

    def press(self, target: "Locator", key: str = "Enter") -> None:
        """Click on something, or reach it by Tab and press a key."""
        if self.keyboard:
            focus(self.page, target)
            self.page.keyboard.press(key)
        else:
            target.click()

    def write(self, target: "Locator", text: str) -> None:
        """Write into a field what it did not hold before."""
        if self.keyboard:
            focus(self.page, target)
            self.page.keyboard.press("Control+a")
        else:
            target.click(click_count=3)
        self.page.keyboard.type(text)

    def choose(self, target: "Locator", option: str) -> None:
        """Choose an option of a list by what it is called."""
        if self.keyboard:
            focus(self.page, target)
            self.page.keyboard.type(option)
        else:
            target.select_option(label=option)

    def sees(self, text: str) -> None:
        """Wait until a text is shown."""
        self.page.get_by_text(text).first.wait_for()

    def sees_other_than(self, text: str, place: "Locator") -> None:
        """Wait until a place shows something else than this text."""
        from playwright.sync_api import expect

        expect(place).not_to_have_text(text, use_inner_text=True, timeout=20_000)
