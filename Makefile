.PHONY: demo test check down clean

demo:
	@scripts/demo

test:
	@scripts/test

check:
	@scripts/check

down:
	@scripts/down

clean: down
	rm -rf .venv .demo
