#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0
# plant.pl PLANTS N FROM TO: copy FROM to TO with the Nth entry of PLANTS in it;
# prints the first and the last planted line. An entry is "# NAME FILE", lines
# "< TEXT" to take away, and lines "> TEXT" to put there.
use strict;

my ($plants, $n, $from, $to) = @ARGV;
my (@old, @new);

open(my $list, '<', $plants) or die "$plants: $!\n";
while (<$list>) {
	$n-- if /^# /;
	next if $n;
	push @old, $1 if /^< (.*)/;
	push @new, $1 if /^> (.*)/;
}
open(my $in, '<', $from) or do { print "there is no such file"; exit 1; };
my @lines = <$in>;
my $at;
LINE: for my $i (0 .. $#lines - $#old) {
	for my $j (0 .. $#old) {
		(my $text = $lines[$i + $j]) =~ s/^\s+|\s+$//g;
		next LINE if $text ne $old[$j];
	}
	$at = $i;
	last;
}
if (!defined $at) {
	print "the place is not there any more: $old[0]";
	exit 1;
}
splice @lines, $at, scalar @old, map { "\t\t$_\n" } @new;
open(my $out, '>', $to) or die "$to: $!\n";
print $out @lines;
print $at + 1, ' ', $at + @new;
