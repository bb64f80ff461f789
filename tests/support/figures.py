"""What every figure has to satisfy."""

LONG = "German short-haired pointer, hunting dog"


def inside(figure):
    """Whether every text that is shown lies within the figure, and none is cut."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    texts = figure.findobj(lambda one: hasattr(one, "get_text") and one.get_text())
    boxes = [text.get_window_extent(canvas.get_renderer()) for text in texts]
    width, height = figure.bbox.size
    return all(
        min(box.x0, box.y0) >= 0 and box.x1 <= width and box.y1 <= height
        for box in boxes
    )
