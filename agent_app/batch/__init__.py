"""Files of questions become files of answers, and a run that was broken off goes on where it was.

A batch is made of rows (`rows`), which an engine (`engine`) gives to an agent as fast as its model allows
(`pace`). Each answer goes into a journal (`journal`) before it counts. The file of answers (`output`) is
made from the questions and the journal, so it can always be made again; nothing is paid for twice.

What is right in it, and what most repeats of a question agree on, is said by `judging`; `answers` and
`report` read files of answers that are there. `on_ray` has the same engine on a cluster.
"""
