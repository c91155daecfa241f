"""The same batch on a Ray cluster: Ray Data hands the rows to agents, the journal stays where it was.

The driver reads the rows, keeps the journal and makes the answers, as it does without Ray (`engine`). What
it has to ask goes as blocks of rows through Ray Data to a pool of actors (`worker`). Each has an agent of
its own and asks with the very engine of one machine. What comes of a row goes to the driver through a
`relay`, and is in the journal before the actor goes on: a block that Ray runs again, as its node was lost,
finds there what is done already and asks the rest.
"""
