#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0
#
# context.pl LIST <DIFF: the diff, but no hunk leans on a line that LIST names
# as "FILE: LINE", because not every 6.1.y has it. From there on the context is cut,
# and as much at the other end of the hunk: patch takes one with less context at
# one end for the end of the file.
use strict;
use warnings;

my %named;
if (open(my $fh, '<', $ARGV[0])) {
	while (<$fh>) {
		next if /^#/ || !/\S/;
		my ($file, $line) = /^(\S+):\s+(.*\S)/ or
			die "laf: $ARGV[0]:$.: wanted 'FILE: LINE'\n";
		$named{$file}{$line} = 1;
	}
}

# kept FILE LINE...: so many of these lines of context, from the change
# outwards, come before one that is named
sub kept {
	my ($file, @lines) = @_;
	my $n = 0;
	$n++ while $n < @lines && !$named{$file}{$lines[$n] =~ s/^\s+|\s+$//gr};
	return $n;
}

my $file = '';
while (my $head = <STDIN>) {
	$file = '' if $head =~ /^diff --git /;
	$file = $1 if $head =~ m{^\+\+\+ b/(.*)};
	my ($old, $olds, $new, $news, $rest) =
		$head =~ /^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? (@@.*)/s;
	if (!$rest || !$named{$file}) {
		print $head;
		next;
	}
	my ($o, $n) = ($olds //= 1, $news //= 1);
	my @hunk;
	while ($o > 0 || $n > 0) {
		push(@hunk, scalar <STDIN>);
		$o-- if $hunk[-1] =~ /^[ -]/;
		$n-- if $hunk[-1] =~ /^[ +]/;
	}
	my @change = grep { $hunk[$_] !~ /^ / } 0 .. $#hunk;
	my @lead = reverse(@hunk[0 .. $change[0] - 1]);
	my @trail = @hunk[$change[-1] + 1 .. $#hunk];
	my @between = grep { /^ / } @hunk[$change[0] .. $change[-1]];
	my ($l, $t) = (kept($file, @lead), kept($file, @trail));
	if ($l < @lead || $t < @trail) {
		my $keep = $l < $t ? $l : $t;
		die "laf: a hook in $file at line $old has no context but what ",
			"patches/context names; move it\n" if !$keep;
		splice(@hunk, @hunk - (@trail - $keep));
		splice(@hunk, 0, @lead - $keep);
		$old += @lead - $keep;
		$new += @lead - $keep;
		$olds -= @lead + @trail - 2 * $keep;
		$news -= @lead + @trail - 2 * $keep;
	}
	die "laf: the hooks in $file at line $old stand too close around a line that ",
		"patches/context names; move one\n" if kept($file, @between) < @between;
	print "@@ -$old,$olds +$new,$news $rest", @hunk;
}
