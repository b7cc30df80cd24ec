// SPDX-License-Identifier: GPL-2.0
/*
 * A model of include/linux/atomic_seqcount.h for Spin: writers of both kinds, and
 * a reader, in all interleavings of their steps.
 *
 *	spin -a atomic_seqcount.pml && gcc -O2 -DSAFETY pan.c && ./a.out
 *
 * Each step is one access to memory. They are seen in order by all: what the
 * memory model allows beyond that is argued in the header, at the barriers.
 *
 * Claims: no reader accepts a mixed state, no change is lost, all writers get in
 * and out. The files broken_*.pml leave a part out, and have to fail.
 */
#ifndef WRITERS
#define WRITERS		3
#endif
#ifndef SECTIONS
#define SECTIONS	1	/* of each writer */
#endif

/* struct atomic_seqcount.word: its three counters change as one */
byte writers, soles, step;
/* What it protects: each section adds one to both */
byte a, b;
byte left = WRITERS;

inline begin_shared()		/* __write_atomic_seqcount_begin_shared() */
{
	atomic {
#ifndef BROKEN_NO_STEP
		step++;
#endif
		writers++;
		saw_soles = soles;
	}
	wait();
}

inline begin_sole()		/* __write_atomic_seqcount_begin_sole() */
{
	atomic {
#ifndef BROKEN_NO_STEP
		step++;
#endif
		soles++;
		saw_soles = soles;
		saw_writers = writers;
	}
	if
	:: saw_writers == 0 && saw_soles == 1 -> sole = true
	:: else ->
#ifdef BROKEN_CONVERT
		soles--;
		atomic { writers++; saw_soles = soles }
#else
		atomic { writers++; soles--; saw_soles = soles }
#endif
		wait()
	fi
}

inline wait()			/* __write_atomic_seqcount_wait() */
{
#ifndef BROKEN_NO_WAIT
	if
	:: saw_soles > 0 -> soles == 0
	:: else
	fi
#endif
	skip
}

inline add(v)			/* atomic_seqcount_add() */
{
	if
	:: sole -> tmp = v; v = tmp + 1
	:: else -> v++		/* one step: atomic_add() */
	fi
}

inline end_write()		/* __write_atomic_seqcount_end() */
{
	atomic {
		if
		:: sole -> soles--
		:: else -> writers--
		fi;
		sole = false
	}
}

proctype writer()
{
	byte i = 0, tmp, saw_soles, saw_writers;
	bool sole = false;

	do
	:: i < SECTIONS ->
#ifdef BROKEN_ORDER
		add(a);
#endif
		/* The static key may change between any two sections */
		if
		:: begin_shared()
		:: begin_sole()
		fi;
#ifndef BROKEN_ORDER
		add(a);
#endif
		add(b);
#ifdef BROKEN_EARLY_END
		end_write();
		b--; b++;
#else
		end_write();
#endif
		i++
	:: else -> break
	od;
	left--
}

proctype reader()
{
	byte saw_step, saw_a, saw_b;
	bool quiet;

	do
	:: left > 0 ->
		/* try_read_atomic_seqcount_begin() */
		atomic { saw_step = step; quiet = writers == 0 && soles == 0 };
		if
		:: quiet ->
			saw_a = a;
			saw_b = b;
			/* read_atomic_seqcount_retry() */
			atomic {
				if
				:: step == saw_step && writers == 0 && soles == 0 ->
					assert(saw_a == saw_b)
				:: else
				fi
			}
		:: else
		fi
	:: else -> break
	od
}

init {
	byte i = 0;

	atomic {
		do
		:: i < WRITERS -> run writer(); i++
		:: else -> break
		od;
		run reader()
	}
	left == 0;
	assert(a == WRITERS * SECTIONS && b == WRITERS * SECTIONS);
	assert(writers == 0 && soles == 0)
}
