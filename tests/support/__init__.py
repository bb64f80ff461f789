"""What tests share: models, data, oracles, servers and programs.

Programs collect garbage seldom: tracing makes so many objects that by default a
sixth of its time goes into looking for some to free.
"""

import gc

gc.set_threshold(50_000, 20, 100)
