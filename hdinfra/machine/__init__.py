"""One Machine description for every cloud, every rack and the laptop."""
