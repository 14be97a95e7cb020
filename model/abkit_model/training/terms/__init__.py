"""What is fitted beside the queries, in closed form: linear terms, the term of outcomes, their blend."""
