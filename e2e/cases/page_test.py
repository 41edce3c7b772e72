# SPDX-License-Identifier: Apache-2.0
"""The live page of podrttd in a real browser, with pods under traffic. Run by e2e/rig/isolate. With
PODRTT_SCREENSHOTS, a directory, it leaves pictures there."""

import os
import pathlib
import re
import tempfile
import time
import unittest

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

import node
from node import TRAFFIC, Chain, Daemon, Peer, Pod, in_netns, run, serve, top, wait_until
from observe import BUCKET

SCREENSHOTS = os.environ.get("PODRTT_SCREENSHOTS")


def open_browser(profile):
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                     "--disable-background-networking", "--disable-component-update", "--disable-sync",
                     "--window-size=1400,700", f"--user-data-dir={profile}"):
        options.add_argument(argument)
    options.binary_location = "/usr/bin/chromium"
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)


def seconds(text):
    """What the page writes for a time."""
    number, unit = text.split()
    return float(number) * {"µs": 1e-6, "ms": 1e-3, "s": 1}[unit]


class PageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        node.prepare()
        cls.daemon = Daemon("--icmp")
        cls.pods = []
        cls.traffic = []
        for number, (name, delay_us) in enumerate((("a-near", 200), ("b-far", 20000), ("c-middle", 3000))):
            peer = Peer(f"peer{number}", 203 + number)
            peer.connect_by_delay_line(delay_us, f"/run/line{number}.log")
            serve(in_netns(peer.name), 8080)
            pod = Pod(Chain(), "shop", name).create()
            cls.pods.append(pod)
            cls.traffic.append(pod.popen("sh", "-c", f"while {' '.join(map(str, TRAFFIC))} requests {peer.v4} 8080 4 50 "
                                         ">/dev/null; do :; done"))
        cls.profile = tempfile.TemporaryDirectory()
        cls.browser = open_browser(cls.profile.name)

    @classmethod
    def tearDownClass(cls):
        cls.browser.quit()
        cls.profile.cleanup()
        for process in cls.traffic:
            process.kill()
        cls.daemon.stop()

    def setUp(self):
        self.browser.get("http://127.0.0.1:9435/")
        wait_until(lambda: len(self.names()) == len(self.pods), "all pods are on the page", 20)

    def tearDown(self):
        errors = [entry for entry in self.browser.get_log("browser") if entry["level"] == "SEVERE"]
        self.assertEqual(errors, [])

    def names(self):
        return [body.get_attribute("data-pod") for body in self.browser.find_elements(By.CSS_SELECTOR, "tbody[data-pod]")
                if body.is_displayed()]

    def figure(self, pod, leg, name):
        return self.browser.find_element(
            By.CSS_SELECTOR, f'[data-pod="shop/{pod}"] [data-leg="{leg}"] [data-figure="{name}"]')

    def is_drawn(self, pod, picture):
        return self.browser.execute_script(
            """const canvas = document.querySelector(arguments[0]);
               const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
               return data.some((byte) => byte > 0);""",
            f'[data-pod="shop/{pod}"] [data-leg="network"] [data-picture="{picture}"]')

    def test_figures_are_those_of_the_kernel(self):
        wait_until(lambda: "old" not in self.figure("b-far", "network", "p50").get_attribute("class"), "new samples")
        kernels = {s["pod"]: s for s in top() if s["kind"] == "data" and s["leg"] == "network"}
        for pod in ("b-far", "c-middle"):  # whose lines are longer than the machine's own delays
            shown, median = seconds(self.figure(pod, "network", "p50").text), kernels[pod]["p50_seconds"]
            # Of the last seconds, and of all time: the line is always the same.
            self.assertTrue(median / BUCKET < shown < median * BUCKET, f"{pod}: {median}, shown {shown}")
            self.assertGreaterEqual(seconds(self.figure(pod, "network", "p99").text), shown)

    def test_pictures_are_drawn_as_time_goes_on(self):
        for picture in ("spark", "heat"):
            wait_until(lambda picture=picture: self.is_drawn("b-far", picture), picture)
        self.assertGreater(float(self.figure("a-near", "network", "rate").text), 1)

    def test_what_hurts_is_on_top_unless_told_otherwise(self):
        wait_until(lambda: self.names() == ["shop/b-far", "shop/c-middle", "shop/a-near"], "sorted by the worst wait")
        self.assertRegex(self.figure("b-far", "network", "worst").text, r"^(Response|Connect) [\d.]+ m?s$")
        self.browser.find_element(By.CSS_SELECTOR, '[data-order="name"]').click()
        self.assertEqual(self.names(), ["shop/a-near", "shop/b-far", "shop/c-middle"])
        self.browser.find_element(By.ID, "filter").send_keys("MIDD")
        self.assertEqual(self.names(), ["shop/c-middle"])

    def test_what_was_chosen_is_in_the_address(self):
        self.browser.find_element(By.ID, "filter").send_keys("shop/")
        self.browser.find_element(By.CSS_SELECTOR, '[data-order="name"]').click()
        Select(self.browser.find_element(By.ID, "window")).select_by_visible_text("10 s")
        address = self.browser.current_url
        self.assertRegex(address, r"filter=shop%2F&order=name&window=10$")
        self.browser.get(address)
        wait_until(lambda: self.names() == ["shop/a-near", "shop/b-far", "shop/c-middle"], "it is as it was", 20)
        self.assertEqual(self.browser.find_element(By.ID, "filter").get_attribute("value"), "shop/")
        self.assertEqual(self.browser.find_element(By.ID, "window").get_attribute("value"), "10")
        self.browser.find_element(By.CSS_SELECTOR, '[data-pod="shop/b-far"] th a').click()
        wait_until(lambda: self.names() == ["shop/b-far"], "the pod alone", 20)
        self.assertRegex(self.browser.current_url, r"\?pod=shop%2Fb-far$")
        self.browser.find_element(By.LINK_TEXT, "all pods").click()
        wait_until(lambda: len(self.names()) == len(self.pods), "all are back", 20)

    def test_pod_alone_has_charts_with_values(self):
        other = Pod(Chain(), "shop", "b-far-2").create()  # whose name begins alike
        try:
            self.browser.get("http://127.0.0.1:9435/?pod=shop/b-far")
            legs = wait_until(lambda: len(found := self.browser.find_elements(By.CLASS_NAME, "uplot")) == 2 and found, "a chart for each leg", 20)
            self.assertEqual(self.names(), ["shop/b-far"])
            network = next(leg for leg in legs if "network" in leg.get_attribute("aria-label"))
            wait_until(lambda: len(self.browser.execute_script("return charts.get('network').data[0]")) > 3, "a few points", 20)
            network.send_keys(Keys.ARROW_LEFT, Keys.ARROW_LEFT)

            def value(name):
                row = next(row for row in network.find_elements(By.CSS_SELECTOR, "tr.u-series") if row.text.startswith(f"{name}, "))
                return row.find_element(By.CLASS_NAME, "u-value").text

            wait_until(lambda: re.fullmatch(r"[\d.]+ m?s", value("Response")), "the legend tells the value", 20)
            shown = seconds(value("Response"))
            self.assertTrue(0.04 < shown < 0.4, shown)  # two times 20 ms, and what a busy machine adds
        finally:
            other.delete()

    def test_pod_that_is_not_there_is_said_so(self):
        self.browser.get("http://127.0.0.1:9435/?pod=shop/none")
        wait_until(lambda: "shop/none is not on this node" in self.browser.find_element(By.ID, "which").text, "it is said", 20)
        self.assertEqual(self.names(), [])

    def test_figures_are_of_the_window(self):
        values = self.browser.execute_script(
            """const leg = new Leg();
               leg.take({data: []}, 0, 2000);
               leg.take({data: [150, 10]}, 2000, 4000);
               leg.take({data: [150, 10, 100, 10]}, 20000, 22000);
               const minute = leg.figures.p99.value;
               choose("window", "10");
               leg.reckon(22000);
               return [minute, leg.figures.p99.value];""")
        self.assertGreater(values[0], 10 * values[1])

    def test_pods_without_samples_are_named(self):
        idle = Pod(Chain(), "shop", "d-idle").create()
        try:
            wait_until(lambda: self.browser.find_element(By.ID, "idle").text == "No samples yet: shop/d-idle", "it is named", 20)
        finally:
            idle.delete()
        self.assertFalse(self.browser.find_element(By.ID, "empty").is_displayed())
        self.browser.execute_script("for (const key of [...pods.keys()]) { pods.get(key).body.remove(); pods.delete(key); }"
                                    "take({node: 'n', version: '1', pods: [], idle: [], unmeasured: []}, 0, 1);")
        self.assertIn("podrttd doctor", self.browser.find_element(By.ID, "empty").text)

    def test_fits_every_width_and_tells_pods_of_one_owner_apart(self):
        self.browser.execute_script("window.fetch = () => Promise.reject(new Error('gone'));")
        self.browser.execute_script(
            """const every = Object.fromEntries(kinds.map(({name}) => [name, [100, 1]]));
               const [namespace, ...names] = arguments;
               take({node: "n", version: "1", pods: names.map((pod) => ({namespace, pod, legs: {network: every, pod: every}})),
                     idle: [], unmeasured: []}, 0, 1); arrange(); for (const pod of pods.values()) pod.draw(1); fit();""",
            "n" * 63, *("p" * 253, "checkout-service-worker-7d9c5b8f4-x2x9k", "checkout-service-worker-7d9c5b8f4-hwq5n"))
        try:
            for width in (390, 800, 1000, 1200, 1400, 1920):
                self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                             {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 700})
                self.assertLessEqual(self.browser.execute_script("return document.documentElement.scrollWidth"), width)
                for heading in self.browser.find_elements(By.CSS_SELECTOR, "tbody[data-pod] th"):
                    end = heading.find_elements(By.TAG_NAME, "span")[-1]
                    self.assertEqual(end.text, heading.get_attribute("title")[-11:])
                    self.assertGreater(end.size["width"], 30)
                    self.assertLessEqual(end.location["x"] + end.size["width"], heading.location["x"] + heading.size["width"] + 1)
                    line = end.size["height"]
                    self.assertLess(max(row.size["height"] for row in self.browser.find_elements(By.CSS_SELECTOR, "tbody tr")), 2.8 * line)
        finally:
            self.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    def test_every_kind_that_is_measured_has_a_column(self):
        heading = self.browser.find_element(By.CSS_SELECTOR, 'th[data-figure="echo"]')
        wait_until(self.browser.find_element(By.CSS_SELECTOR, 'th[data-figure="floor"]').is_displayed, "floors are shown", 30)
        self.assertFalse(heading.is_displayed())
        run(*in_netns(self.pods[2].netns, *TRAFFIC, "ping", "10.205.0.2", 5))
        wait_until(heading.is_displayed, "pings are shown", 30)
        self.assertRegex(self.figure("c-middle", "network", "echo").text, "ms$")

    def test_rate_is_that_of_the_time_that_has_passed(self):
        """As of a page that was hidden: browsers call it once a minute then."""
        rate = self.browser.execute_script(
            """const leg = new Leg();
               leg.take({data: [100, 1000]}, 0, 2000);
               leg.take({data: [100, 1200]}, 2000, 4000);
               leg.take({data: [100, 7200]}, 4000, 64000);
               leg.take({data: [100, 7400]}, 64000, 66000);
               return leg.figures.rate.value;""")
        self.assertAlmostEqual(rate, 100)

    def test_worst_wait_is_named(self):
        worst = self.browser.execute_script(
            """const leg = new Leg();
               leg.take({response: [100, 10], recovery: [120, 1]}, 0, 2000);
               const before = leg.figures.worst;
               leg.take({response: [100, 30], recovery: [120, 1]}, 2000, 4000);
               const recent = leg.figures.worst;
               leg.take({response: [100, 50], recovery: [120, 2]}, 4000, 6000);
               return [before, recent, leg.figures.worst].map(({title, old}) => [title, old]);""")
        self.assertEqual(worst, [["Recovery", True], ["Response", False], ["Recovery", False]])

    def test_counts_that_go_back_are_not_taken_for_samples(self):
        since = self.browser.execute_script("return [difference([7, 5], [7, 9]), difference([8, 5], [7, 9]), difference([7, 9], [7, 4])]")
        self.assertEqual(since, [[], [], [7, 5]])

    def test_names_are_text_whatever_is_in_them(self):
        name = "<img src=x onerror=document.title='hurt'>"
        self.browser.execute_script(
            """take({node: arguments[0], version: "1", pods: [{namespace: arguments[0], pod: "x", legs: {network: {data: [100, 1]}}}],
                    idle: [], unmeasured: [{namespace: arguments[0], pod: "y", reason: "failed"}]}, 0, 1); arrange();""", name)
        self.assertEqual(self.browser.find_elements(By.TAG_NAME, "img"), [])
        self.assertIn(f"{name}/y (failed)", self.browser.find_element(By.ID, "unmeasured").text)
        self.assertIn(f"{name}/x", self.names())
        self.assertEqual(self.browser.title, "podrtt")

    def test_a_daemon_that_is_gone_is_said_to_be(self):
        self.browser.execute_script("window.fetch = () => Promise.reject(new Error('gone'));")
        state = self.browser.find_element(By.ID, "state")
        wait_until(lambda: "does not answer" in state.text, "the page says so")
        self.assertEqual(len(self.names()), len(self.pods))  # what was there stays

    def test_picture_for_people(self):
        """After a minute of traffic, when one is wanted."""
        if SCREENSHOTS:
            for width, height, name, address in ((1400, 520, "page", ""), (390, 480, "page-narrow", ""), (1400, 760, "pod", "?pod=shop/c-middle")):
                if not self.browser.current_url.endswith(f"/{address}"):
                    self.browser.get(f"http://127.0.0.1:9435/{address}")
                time.sleep(75 if name != "page-narrow" else 0)
                self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                             {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 700})
                for scheme in ("light", "dark"):
                    self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
                    time.sleep(3)  # until the pictures are drawn anew
                    suffix = "" if scheme == "light" else "-dark"
                    self.browser.save_screenshot(str(pathlib.Path(SCREENSHOTS) / f"{name}{suffix}.png"))
            self.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
            self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


if __name__ == "__main__":
    unittest.main()
