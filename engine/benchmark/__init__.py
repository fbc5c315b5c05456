"""Speed against other runtimes: the same network, the same picture, engines in turn, medians."""
