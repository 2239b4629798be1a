# Prints the steps of `make deploy` with their times. Input: lines "STEP SECONDS", one at each begin and end of a step.
{
    if (!(NR > 1) || $2 < origin) origin = $2
    if (!($1 in began)) {
        began[$1] = $2
        steps[++count] = $1
    }
    ended[$1] = $2
    if ($2 > last) last = $2
}
END {
    printf "where the time went: %.1f s\n  %-12s %7s %7s %7s\n", last - origin, "step", "from", "to", "took"
    for (i = 1; i <= count; i++) {
        step = steps[i]
        printf "  %-12s %7.1f %7.1f %7.1f\n", step, began[step] - origin, ended[step] - origin, ended[step] - began[step]
    }
}
