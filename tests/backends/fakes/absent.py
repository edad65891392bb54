"""A runtime whose framework is not installed."""

import a_framework_that_nobody_has

__all__ = ["a_framework_that_nobody_has"]
