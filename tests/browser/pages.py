"""What tests do with a page, whatever report it is."""


class BrowserPage:
    def __init__(self, browser, path):
        self.browser = browser
        browser.get("about:blank")
        browser.get_log("browser")
        browser.get(path.as_uri())
        self.run("try { localStorage.clear() } catch {}")

    def run(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def settle(self):
        """Two frames later, whatever was asked for is painted."""
        self.browser.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")

    def look(self):
        """Reads from the page what the test compares."""

    def find(self, css):
        return self.browser.find_element("css selector", css)

    def all(self, css):
        return self.browser.find_elements("css selector", css)

    def text(self, css):
        return self.find(css).text

    def click(self, css):
        self.find(css).click()
        self.settle()
        self.look()

    def choose(self, select, value):
        """An entry of a drop-down list, by its value."""
        self.find(f"#{select} option[value='{value}']").click()
        self.settle()
        self.look()

    def keys(self, *keys):
        from selenium.webdriver import ActionChains

        ActionChains(self.browser, duration=0).send_keys(*keys).perform()
        self.settle()

    def search(self, text):
        field = self.find("#search")
        field.clear()
        field.send_keys(text)
        self.settle()


def si(size):
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.95:
            return f"{size} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000


def grouped(number):
    return f"{number:,}".replace(",", "\u202f")


def percent(part, whole):
    share = 100 * part / whole
    return f"{share:.{2 if share < 10 else 1}f} %"
