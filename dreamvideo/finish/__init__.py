"""Turns a frame and its dream into the finished picture: blend modes, masks, flash limiting; knows nothing of video."""
