def f(x, low, high):
    if x < low:
        return low
    return x
