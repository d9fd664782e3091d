"""The studio: a page on this machine to choose a look by eye, render it and watch it."""
