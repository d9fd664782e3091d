"""Sets up the process that renders: CPU threads, cuDNN and the memory allocator, in this one place."""

from __future__ import annotations

import cv2
import torch

from ..dream import memory
from ..networks.device import pick_device
from ..recipe import Network


def configure_process(network: Network, threads: int = 0) -> None:
    """Set up this process to render with a network; whoever starts a render calls it, before building an engine.

    Args:
        network: the recipe's section, which names the device and the number of threads.
        threads: CPU threads instead of those the recipe names; 0 leaves what is set where the recipe names none.

    Raises:
        RecipeError: the device cannot be used here.
    """
    if pick_device(network.device).type == "cpu":
        memory.keep_freed_pages()
    torch.backends.cudnn.deterministic = True  # the same render again gives the same frames
    if count := threads or network.threads:
        torch.set_num_threads(count)
    if threads:
        cv2.setNumThreads(threads)  # optical flow comes out slightly different with another number
