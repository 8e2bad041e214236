def f(x, low, high):
    return min(low, max(x, high))
