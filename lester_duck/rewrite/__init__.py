"""From a script to a pipeline that was seen to agree with it: observe, propose, judge, repair."""
